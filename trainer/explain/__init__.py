"""Why a model gives a stay its risks: contributions, gates, and the reach of one measurement."""
