from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.journal import Journal
from perception_stack.tracking.space.births import births
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.evidence import Passage, after_boxes
from perception_stack.tracking.space.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.space.motion import carry_on, predict
from perception_stack.tracking.space.tracks import Tracks, no_tracks

CONFIG = TrackerConfig()
PARAMETERS = numbers(CONFIG)
# all detections are as precise as stated
PRECISE = TrackerConfig(precise_scale=1.0, outlier_scale=1.0)
VOCABULARY = ("car", "pedestrian", "unknown")


def read(boxes) -> Measurements:
    return measurements_from_boxes(
        boxes, vocabulary=VOCABULARY, parameters=PARAMETERS, journal=Journal()
    )


def born(boxes, twist=(3.0, 1.0, 0.0, 0.0, 0.0, 0.4)) -> Tracks:
    tracks = births(no_tracks(3), read(boxes), stamp_ns=0, parameters=PARAMETERS)
    return tracks.with_values(twist=np.array(twist), acceleration_mps2=np.array([0.5, -1.0, 0.2]))


def textbook(dt_s: float, scale_m: float, speed_mps: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition and noise of the model, as matrices of 15 by 15 (Van Loan 1978)."""
    deviation_mps2 = (
        CONFIG.acceleration_per_size * scale_m + CONFIG.acceleration_per_speed * speed_mps
    )
    upwards_mps2 = CONFIG.vertical_share * deviation_mps2
    zero, eye, memory_s = np.zeros((3, 3)), np.eye(3), CONFIG.acceleration_memory_s
    flow = np.block(
        [
            [zero, zero, eye, zero, zero],
            [zero, zero, zero, eye, zero],
            [zero, zero, zero, zero, eye],
            [zero] * 5,
            [zero, zero, zero, zero, -eye / memory_s],
        ]
    )
    density = np.zeros((15, 15))
    density[9:12, 9:12] = CONFIG.turn_acceleration_radps**2 * eye
    density[12:, 12:] = 2 / memory_s * np.diag([deviation_mps2**2] * 2 + [upwards_mps2**2])
    both = expm(dt_s * np.block([[-flow, density], [np.zeros((15, 15)), flow.T]]))
    transition = both[15:, 15:].T
    return transition, transition @ both[:15, 15:]


def test_prediction_is_that_of_the_textbook(make_boxes):
    tracks = born(make_boxes((1, 2, 3), (4, 5, 6), yaw_rad=[0.1, -2]))
    after = predict(predict(tracks, 0.1, PARAMETERS), 0.25, PARAMETERS)
    for i in range(2):
        expected, state = tracks["covariance"][i], np.zeros(15)
        state[6:] = np.concatenate([tracks["twist"][i], tracks["acceleration_mps2"][i]])
        for dt_s in (0.1, 0.25):
            speed_mps = float(np.linalg.norm(state[6:9]))
            transition, noise = textbook(dt_s, np.linalg.norm(tracks["size_lwh_m"][i]), speed_mps)
            expected, state = transition @ expected @ transition.T + noise, transition @ state
        np.testing.assert_allclose(after["covariance"][i], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(after["center_m"][i], tracks["center_m"][i] + state[:3])
        np.testing.assert_allclose(after["twist"][i], state[6:12])
        np.testing.assert_allclose(after["acceleration_mps2"][i], state[12:])
    np.testing.assert_allclose(yaw_from_quat(after["quat_xyzw"]), np.array([0.1, -2]) + 0.35 * 0.4)


@settings(max_examples=30, deadline=None)
@given(first_s=st.floats(0, 1), second_s=st.floats(0, 1))
def test_two_steps_add_up_to_one(make_boxes, first_s, second_s):
    tracks = born(make_boxes((0, 0, 0)))
    # noise that depends on the speed is that of the speed at the start of a step
    parameters = numbers(replace(CONFIG, acceleration_per_speed=0.0))
    twice = predict(predict(tracks, first_s, parameters), second_s, parameters)
    once = predict(tracks, first_s + second_s, parameters)
    np.testing.assert_allclose(twice["center_m"], once["center_m"], atol=1e-12)
    np.testing.assert_allclose(twice["quat_xyzw"], once["quat_xyzw"], atol=1e-12)
    np.testing.assert_allclose(twice["covariance"], once["covariance"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(twice["size_variance_m2"], once["size_variance_m2"], rtol=1e-12)


def test_update_is_that_of_the_textbook(make_boxes):
    tracks = predict(born(make_boxes((0, 0, 0), yaw_rad=0.2)), 0.1, PARAMETERS)
    detection = read(make_boxes((0.5, 0.3, 0.1), yaw_rad=0.3, sigma_m=0.3))
    passage = Passage(stamp_ns=0, dt_s=0.1, looked_s=0.1, vocabulary=VOCABULARY)
    after = after_boxes(tracks, detection, np.array([0]), passage, numbers(PRECISE))

    measure = np.hstack([np.eye(6), np.zeros((6, 9))])
    prior = tracks["covariance"][0]
    gain = prior @ measure.T @ np.linalg.inv(measure @ prior @ measure.T + detection["noise"][0])
    turn = 0.3 - yaw_from_quat(tracks["quat_xyzw"])[0]
    residual = np.concatenate([detection["center_m"][0] - tracks["center_m"][0], [0, 0, turn]])
    step = gain @ residual
    np.testing.assert_allclose(after["covariance"][0], (np.eye(15) - gain @ measure) @ prior)
    np.testing.assert_allclose(after["center_m"][0], tracks["center_m"][0] + step[:3])
    np.testing.assert_allclose(after["twist"][0], tracks["twist"][0] + step[6:12], atol=1e-12)
    turned = yaw_from_quat(after["quat_xyzw"]) - yaw_from_quat(tracks["quat_xyzw"])
    assert turned[0] == pytest.approx(step[5])


def test_a_track_is_lost_once_it_could_be_anywhere(make_boxes):
    tracks = born(make_boxes((0, 0, 0)))
    assert len(carry_on(tracks, 0.5, PARAMETERS)) == 1
    assert len(carry_on(tracks, 5.0, PARAMETERS)) == 0


def test_nothing_is_predicted_of_nothing(make_boxes):
    assert len(predict(born(make_boxes()), 0.1, PARAMETERS)) == 0
