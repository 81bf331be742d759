"""The gateway's own modules, each by itself. The translation has its tests beside this folder."""
