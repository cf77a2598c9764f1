"""One look for every figure: readable in print, on a phone, and without seeing colours."""

import matplotlib.pyplot as plt

# Okabe & Ito's palette: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SIZE = (7.0, 3.2)  # inches


def style() -> None:
    """One look for every figure."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.figsize": SIZE,
            "font.size": 10,
        }
    )
