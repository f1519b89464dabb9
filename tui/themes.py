"""The themes: a dark and a light one of warm paper and ink, and each in high contrast.

Sage is Attune's colour and sand the person's; high contrast is for tired eyes and poor screens.
"""

from __future__ import annotations

from dataclasses import replace

from textual.theme import Theme

DARK = Theme(
    name="attune-dark",
    primary="#8cc6ae",
    secondary="#d8ae84",
    accent="#e2bd7a",
    warning="#e2bd7a",
    error="#e58a86",
    success="#9ecb8b",
    foreground="#dfe3e6",
    background="#15181c",
    surface="#1d2126",
    panel="#272c33",
    dark=True,
    variables={
        "muted": "#a5afb7",
        "faint": "#7f8992",
        "border": "#8cc6ae",
        "border-blurred": "#3a424b",
        "footer-background": "#15181c",
        "footer-key-foreground": "#8cc6ae",
        "footer-description-foreground": "#98a2ab",
        "input-selection-background": "#8cc6ae 30%",
        "block-cursor-background": "#25352f",
        "block-cursor-blurred-background": "#25352f",
        "block-cursor-blurred-foreground": "#eef4f1",
        "block-cursor-blurred-text-style": "none",
        "block-cursor-foreground": "#eef4f1",
        "block-cursor-text-style": "none",
        "scrollbar": "#343b44",
        "scrollbar-hover": "#46505b",
        "scrollbar-active": "#8cc6ae",
        "scrollbar-background": "#15181c",
        "scrollbar-background-hover": "#15181c",
        "scrollbar-background-active": "#15181c",
        "button-color-foreground": "#15181c",
    },
)

LIGHT = Theme(
    name="attune-light",
    primary="#2c6e58",
    secondary="#94602f",
    accent="#8a6414",
    warning="#8a6414",
    error="#a83a3a",
    success="#3f7a35",
    foreground="#2a2e33",
    background="#faf8f3",
    surface="#f1ede4",
    panel="#e6e0d3",
    dark=False,
    variables={
        "muted": "#565d66",
        "faint": "#6f757b",
        "border": "#2c6e58",
        "border-blurred": "#cfc7b6",
        "footer-background": "#faf8f3",
        "footer-key-foreground": "#2c6e58",
        "footer-description-foreground": "#68707a",
        "input-selection-background": "#2c6e58 25%",
        "block-cursor-background": "#dceae2",
        "block-cursor-blurred-background": "#dceae2",
        "block-cursor-blurred-foreground": "#1c2b25",
        "block-cursor-blurred-text-style": "none",
        "block-cursor-foreground": "#1c2b25",
        "block-cursor-text-style": "none",
        "scrollbar": "#d3ccbc",
        "scrollbar-hover": "#bdb5a3",
        "scrollbar-active": "#2c6e58",
        "scrollbar-background": "#faf8f3",
        "scrollbar-background-hover": "#faf8f3",
        "scrollbar-background-active": "#faf8f3",
        "button-color-foreground": "#faf8f3",
    },
)

DARK_CONTRAST = replace(
    DARK,
    name="attune-dark-contrast",
    primary="#7fffd4",
    secondary="#ffcf8f",
    accent="#ffe08a",
    warning="#ffe08a",
    error="#ff9a96",
    foreground="#ffffff",
    background="#000000",
    surface="#0d0f11",
    panel="#20252b",
    variables={
        **DARK.variables,
        "muted": "#d5dde3",
        "faint": "#bcc6ce",
        "border-blurred": "#8b97a3",
        "footer-background": "#000000",
        "footer-key-foreground": "#7fffd4",
        "footer-description-foreground": "#e3e9ed",
        "scrollbar-background": "#000000",
        "block-cursor-background": "#004d3a",
        "block-cursor-blurred-background": "#004d3a",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-blurred-foreground": "#ffffff",
    },
)

LIGHT_CONTRAST = replace(
    LIGHT,
    name="attune-light-contrast",
    primary="#00442f",
    secondary="#5e3200",
    accent="#573c00",
    warning="#573c00",
    error="#7d0000",
    foreground="#000000",
    background="#ffffff",
    surface="#f4f4f4",
    panel="#e2e2e2",
    variables={
        **LIGHT.variables,
        "muted": "#2b3036",
        "faint": "#40464c",
        "border-blurred": "#6d737a",
        "footer-background": "#ffffff",
        "footer-key-foreground": "#00442f",
        "footer-description-foreground": "#2b3036",
        "scrollbar-background": "#ffffff",
        "block-cursor-background": "#bfe3d3",
        "block-cursor-blurred-background": "#bfe3d3",
        "block-cursor-foreground": "#000000",
        "block-cursor-blurred-foreground": "#000000",
    },
)

THEMES = (DARK, LIGHT, DARK_CONTRAST, LIGHT_CONTRAST)
"""In the order in which they follow each other."""


def next_theme(name: str) -> str:
    """The name of the theme after this one."""
    names = [theme.name for theme in THEMES]
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]
