"""One fused, tracked list of 3-D objects from camera, depth and LiDAR, for wheels and for arms."""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)
