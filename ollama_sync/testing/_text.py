"""The text that the mock's model says where people look at it: in `ollama-sync mock`, the demonstration and the examples."""

from __future__ import annotations

SAMPLE_TEXT = """\
Sunlight looks white, but it holds every colour of the rainbow. On its way to the ground it meets the molecules of the air, \
which are far smaller than the wavelength of light. Such small obstacles scatter light in all directions, and they scatter \
short waves much more strongly than long ones: blue light about four times as much as red.

So the red and yellow parts of a sunbeam mostly pass straight through, while the blue part is thrown from molecule to \
molecule until it reaches us from everywhere above. That scattered light is the blue of the sky.

Violet light has an even shorter wavelength. There is less of it in sunlight, the upper air absorbs some, and our eyes respond \
to it weakly, so what we see is blue.

In the evening the sun stands low, and its light crosses far more air before it arrives. Most of the blue has been scattered \
away by then, and the remaining red and orange colour the sunset.
"""
"""A page about why the sky is blue, as a model might answer it.

Example:
    >>> SAMPLE_TEXT.split(",")[0]
    'Sunlight looks white'
"""
