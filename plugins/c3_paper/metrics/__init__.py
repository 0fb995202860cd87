"""The metrics that the plugin brings: of captions by Java and by models, of pictures by Inception."""
