"""What the real verl needs in order to train without a GPU; loaded inside verl's and vLLM's processes only."""
