"""The networks of a `stylegan` decoder: generator, sketch and discriminator."""
