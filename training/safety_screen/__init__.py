"""The learned part of the crisis screen: its labelled lines, and the fit."""
