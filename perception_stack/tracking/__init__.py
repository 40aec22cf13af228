"""One list of objects over time: ``space`` of boxes in 3-D and images, ``image`` of one camera.

``common`` is what the two share.
"""
