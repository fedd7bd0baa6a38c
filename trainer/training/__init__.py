"""Training the network: recipe, teacher, encoder, LSTM loop, checkpoints."""
