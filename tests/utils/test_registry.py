import sys

import pytest

from thesis_lib.config.registries import CORPORA, ENCODERS, GENERATORS, LOSSES, METRICS
from thesis_lib.utils import plugins
from thesis_lib.utils.plugins import PluginError, import_plugins, load_entry_points
from thesis_lib.utils.registry import Registry, RegistryError


def lamps(**more):
    return Registry("lamp", "thesis_lib.utils.text", {"old": {"watts": 60}}, ("watts",), {"colour": "white"}, **more)


def test_what_is_registered_is_found_with_its_details():
    registry = lamps()

    @registry.register("new", watts=5)
    def new():
        return "light"

    assert registry["new"] is new
    assert registry.details("new") == {"watts": 5, "colour": "white"}
    assert registry.details("old") == {"watts": 60}
    assert list(registry) == ["old", "new"]
    assert registry.added() == ("new",)
    assert "new" in registry
    assert "none" not in registry


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_remedy():
    with pytest.raises(RegistryError, match="no lamp named 'lantern'; known: old; .*plugins"):
        lamps()["lantern"]


def test_a_second_registration_is_refused():
    registry = lamps(reserved=("sun",))
    registry.register("new", watts=5)(test_a_second_registration_is_refused)
    for name in ("new", "sun", "old"):
        with pytest.raises(RegistryError, match=f"'{name}' is registered already"):
            registry.register(name, watts=6)(lamps)


def test_a_cell_that_is_run_again_replaces_what_it_defined():
    registry = lamps()
    for number in range(2):
        cell = type("Cell", (), {"__module__": "__main__", "number": number})
        registry.register("new", watts=5)(cell)
    assert registry["new"].number == 1


def test_missing_and_unknown_details_are_refused():
    with pytest.raises(RegistryError, match="watts=…"):
        lamps().register("new")
    with pytest.raises(RegistryError, match="no detail named 'size'; known: watts, colour"):
        lamps().register("new", watts=5, size=3)


@pytest.mark.parametrize("registry", [LOSSES, GENERATORS, ENCODERS, CORPORA, METRICS], ids=lambda r: r.kind)
def test_every_built_in_name_has_its_implementation(registry):
    """The names that a configuration is validated against, and what their module registers, are the same."""
    assert all(callable(registry[name]) for name in registry.builtin)
    assert {registry[name].__module__.partition(".")[0] for name in registry.builtin} == {"thesis_lib"}


def test_a_module_in_the_working_folder_is_imported_once(tmp_path, monkeypatch):
    (tmp_path / "plugin_of_a_test.py").write_text("import builtins\nNUMBER = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_plugins(["plugin_of_a_test"])
    module = sys.modules["plugin_of_a_test"]
    import_plugins(["plugin_of_a_test"])
    assert sys.modules.pop("plugin_of_a_test") is module
    assert module.NUMBER == 3


def test_a_module_that_cannot_be_imported_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "broken_plugin_of_a_test.py").write_text("1 / 0\n")
    for name, reason in (("no_such_plugin", "ModuleNotFoundError"), ("broken_plugin_of_a_test", "ZeroDivisionError")):
        with pytest.raises(PluginError, match=f"{name}.*{reason}.*PYTHONPATH") as caught:
            import_plugins([name])
        assert "\n" not in str(caught.value)


def test_entry_points_of_the_group_are_loaded_at_the_first_unknown_name(monkeypatch):
    registry, asked = lamps(), []

    class Point:
        name, value, dist = "lamps", "installed_lamps", None

        def load(self):
            registry.register("installed", watts=7)(lamps)

    def found(group):
        asked.append(group)
        return [Point()]

    monkeypatch.setattr(plugins, "entry_points", found)
    load_entry_points.cache_clear()
    try:
        assert "old" in registry
        assert asked == []
        assert "installed" in registry
        assert asked == ["thesis_lib"]
        assert "nothing" not in registry
        assert asked == ["thesis_lib"]
        Point.load = lambda self: 1 / 0
        load_entry_points.cache_clear()
        with pytest.raises(PluginError, match="'lamps' of the package installed_lamps.*uninstall"):
            registry.names()
    finally:
        load_entry_points.cache_clear()
