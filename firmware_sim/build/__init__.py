"""Headers, images and emitted folders of the C core."""
