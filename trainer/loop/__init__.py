"""The closed loop: scheduled runs that make candidates, judge them, and ask or promote."""
