"""The Django project: settings, the ASGI application and the URLs of the control plane."""

__version__ = "0.1.0"
