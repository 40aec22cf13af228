from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.journal import Journal
from perception_stack.tracking.births import births
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.evidence import Passage, after_frame
from perception_stack.tracking.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.motion import carry_on, predict
from perception_stack.tracking.tracks import Tracks

CONFIG = TrackerConfig()
# all detections are as precise as stated
PRECISE = TrackerConfig(precise_scale=1.0, outlier_scale=1.0)
VOCABULARY = ("car", "pedestrian", "unknown")


def read(boxes) -> Measurements:
    return measurements_from_boxes(boxes, vocabulary=VOCABULARY, config=CONFIG, journal=Journal())


def born(boxes, twist=(3.0, 1.0, 0.0, 0.0, 0.0, 0.4)) -> Tracks:
    tracks = births(read(boxes), stamp_ns=0, config=CONFIG)
    return tracks.with_values(twist=np.array(twist))


def textbook(dt_s: float, scale_m: float, speed_mps: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition and noise of the constant-twist model, as matrices of 12 by 12."""
    eye = np.eye(6)
    acceleration_mps2 = (
        CONFIG.acceleration_per_size * scale_m + CONFIG.acceleration_per_speed * speed_mps
    )
    upwards_mps2 = CONFIG.vertical_share * acceleration_mps2
    density = np.diag(
        [acceleration_mps2**2] * 2 + [upwards_mps2**2] + [CONFIG.turn_acceleration_radps**2] * 3
    )
    transition = np.block([[eye, dt_s * eye], [0 * eye, eye]])
    noise = np.block(
        [
            [density * dt_s**3 / 3, density * dt_s**2 / 2],
            [density * dt_s**2 / 2, density * dt_s],
        ]
    )
    return transition, noise


def test_prediction_is_that_of_the_textbook(make_boxes):
    tracks = born(make_boxes((1, 2, 3), (4, 5, 6), yaw_rad=[0.1, -2]))
    after = predict(predict(tracks, 0.1, CONFIG), 0.25, CONFIG)
    for i in range(2):
        expected = tracks["covariance"][i]
        for dt_s in (0.1, 0.25):
            transition, noise = textbook(dt_s, tracks.scale_m[i], np.sqrt(10.0))
            expected = transition @ expected @ transition.T + noise
        np.testing.assert_allclose(after["covariance"][i], expected, atol=1e-12)
    np.testing.assert_allclose(after["center_m"], tracks["center_m"] + 0.35 * np.array([3, 1, 0]))
    np.testing.assert_allclose(yaw_from_quat(after["quat_xyzw"]), np.array([0.1, -2]) + 0.35 * 0.4)


@settings(max_examples=30, deadline=None)
@given(first_s=st.floats(0, 1), second_s=st.floats(0, 1))
def test_two_steps_add_up_to_one(make_boxes, first_s, second_s):
    tracks = born(make_boxes((0, 0, 0)))
    twice = predict(predict(tracks, first_s, CONFIG), second_s, CONFIG)
    once = predict(tracks, first_s + second_s, CONFIG)
    np.testing.assert_allclose(twice["center_m"], once["center_m"], atol=1e-12)
    np.testing.assert_allclose(twice["quat_xyzw"], once["quat_xyzw"], atol=1e-12)
    np.testing.assert_allclose(twice["covariance"], once["covariance"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(twice["size_variance_m2"], once["size_variance_m2"], rtol=1e-12)


def test_update_is_that_of_the_textbook(make_boxes):
    tracks = predict(born(make_boxes((0, 0, 0), yaw_rad=0.2)), 0.1, CONFIG)
    detection = read(make_boxes((0.5, 0.3, 0.1), yaw_rad=0.3, sigma_m=0.3))
    passage = Passage(stamp_ns=0, dt_s=0.1, looked_s=0.1, vocabulary=VOCABULARY)
    after = after_frame(tracks, detection, np.array([0]), passage, PRECISE)

    measure = np.hstack([np.eye(6), np.zeros((6, 6))])
    prior = tracks["covariance"][0]
    gain = prior @ measure.T @ np.linalg.inv(measure @ prior @ measure.T + detection["noise"][0])
    turn = 0.3 - yaw_from_quat(tracks["quat_xyzw"])[0]
    residual = np.concatenate([detection["center_m"][0] - tracks["center_m"][0], [0, 0, turn]])
    step = gain @ residual
    np.testing.assert_allclose(after["covariance"][0], (np.eye(12) - gain @ measure) @ prior)
    np.testing.assert_allclose(after["center_m"][0], tracks["center_m"][0] + step[:3])
    np.testing.assert_allclose(after["twist"][0], tracks["twist"][0] + step[6:], atol=1e-12)
    turned = yaw_from_quat(after["quat_xyzw"]) - yaw_from_quat(tracks["quat_xyzw"])
    assert turned[0] == pytest.approx(step[5])


def test_a_track_is_lost_once_it_could_be_anywhere(make_boxes):
    tracks = born(make_boxes((0, 0, 0)))
    assert len(carry_on(tracks, 0.5, CONFIG)) == 1
    assert len(carry_on(tracks, 5.0, CONFIG)) == 0


def test_nothing_is_predicted_of_nothing(make_boxes):
    assert len(predict(born(make_boxes()), 0.1, CONFIG)) == 0
