"""The page: pictures, sound and handlers over ``mmbert.Library``."""
