"""Sources of events other than a hospital: recorded data played again."""
