"""System tests. Each name begins with the requirement that it verifies."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from alarm import Engine, Message  # noqa: E402
from dashboard import about, line  # noqa: E402


class MonitorTests(unittest.TestCase):
    def setUp(self):
        self.engine = Engine()

    def test_srs_001_shows_rate_and_remaining_time(self):
        self.engine.receive(Message(0, 60, 60))
        self.assertEqual(line("Bed 4", 30, self.engine), "Bed 4: 60.0 ml/h, 30 min left, no alarm")

    def test_srs_002_occlusion_is_an_alarm_of_high_priority_at_once(self):
        self.engine.receive(Message(0, 60, 60, occluded=True))
        self.assertEqual(self.engine.alarms["occlusion"].priority, "high")

    def test_srs_003_silence_of_15_seconds_is_an_alarm(self):
        self.engine.receive(Message(0, 60, 60))
        self.engine.tick(14.9)
        self.assertEqual(self.engine.alarms, {})
        self.engine.tick(15)
        self.assertEqual(self.engine.alarms["connection lost"].priority, "medium")

    def test_srs_004_deviation_must_last_30_seconds(self):
        self.engine.receive(Message(0, 60, 70))
        self.engine.receive(Message(29, 60, 70))
        self.assertEqual(self.engine.alarms, {})
        self.engine.receive(Message(30, 60, 70))
        self.assertIn("rate deviation", self.engine.alarms)

    def test_srs_005_an_alarm_stays_until_acknowledged(self):
        self.engine.receive(Message(0, 60, 60, occluded=True))
        self.engine.receive(Message(1, 60, 60))
        self.assertIn("occlusion", self.engine.alarms)
        self.engine.acknowledge("occlusion")
        self.assertEqual(self.engine.alarms, {})

    def test_srs_005_an_acknowledged_alarm_stays_until_its_cause_ends(self):
        self.engine.receive(Message(0, 60, 60, occluded=True))
        self.engine.acknowledge("occlusion")
        self.assertIn("occlusion", self.engine.alarms)

    def test_srs_006_a_negative_rate_is_rejected(self):
        with self.assertRaises(ValueError):
            self.engine.receive(Message(0, 60, -1))

    def test_srs_006_a_message_from_the_past_is_rejected(self):
        self.engine.receive(Message(10, 60, 60))
        with self.assertRaises(ValueError):
            self.engine.receive(Message(9, 60, 60))

    def test_srs_007_alarms_of_high_priority_stand_first(self):
        self.engine.receive(Message(0, 60, 60, occluded=True))
        self.engine.tick(20)
        self.assertTrue(line("Bed 4", 30, self.engine).endswith("occlusion, connection lost"))

    def test_srs_008_the_about_text_names_the_version(self):
        self.assertEqual(about(), "Infusion Monitor 2.4.0")


if __name__ == "__main__":
    unittest.main()
