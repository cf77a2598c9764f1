"""Style of every figure: readable in print, on a phone and for colour-blind readers."""

import matplotlib.pyplot as plt

# Palette of Okabe & Ito (2008), which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SIZE = (7.0, 3.2)  # inches


def style() -> None:
    """Set matplotlib's defaults to the style of the book's figures."""
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
