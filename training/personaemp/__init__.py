"""Data sets in the paper's form from what people really said, with their consent."""
