"""The tutorials of the field as programs: ``trainer example``; each ends in a figure and words."""
