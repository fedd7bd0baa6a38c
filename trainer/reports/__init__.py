"""The model card and the plots of training and evaluation."""
