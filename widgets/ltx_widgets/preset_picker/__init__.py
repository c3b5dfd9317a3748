"""PresetPicker: what a run takes of a machine, by preset."""

from ltx_widgets.preset_picker.widget import PresetPicker

__all__ = ["PresetPicker"]
