"""What a user brings: frames in the field's formats and keys, read whole, counted, and checked against themselves."""
