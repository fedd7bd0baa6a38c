"""Stays scored in bulk, labelled or not, by the pass of the service."""
