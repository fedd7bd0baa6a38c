"""Public ICU data as stays and records: PhysioNet 2012 and 2019."""
