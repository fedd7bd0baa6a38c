"""The results of a comparison as a page, a table and plots."""
