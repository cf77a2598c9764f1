"""Numbers of a run in a notebook: sentences that a cell shows, and numbers of captions by their names."""


def say(text: str) -> None:
    """Show sentences of Markdown with numbers of the run, on the page and in the notebook's file alike."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def glue(name: str, value: object) -> None:
    """Name a value for the role ``{glue:text}`` of a figure's caption, and print it as ``name = value``.

    Only the notebook's file shows the printed line, for instance on GitHub, where the roles are not replaced: MyST-NB
    takes an output with ``scrapbook`` in its metadata off the page.
    """
    from IPython.display import display
    from myst_nb.ext.glue import GLUE_PREFIX

    bundle = {f"{GLUE_PREFIX}text/plain": repr(str(value)), "text/plain": f"{name} = {value}"}
    display(bundle, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}})
