"""tocsin: a self-hosted real-time gateway that speaks Discord's wire protocol."""

__all__ = ["__version__"]

__version__ = "0.1.0"
