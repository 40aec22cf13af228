import numpy as np


def covariance_of(model, seen_m, pose, *, noise_m):
    return np.eye(6)
