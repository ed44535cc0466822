"""Before a wave: everything is tried, and what would stop it, or surprise, is told with its remedy.

examine     all of it in one go                   diagnosis   one thing that is wrong
looks       one mailbox seen on both sides        verdict     what two looks mean (pure)
servers     DNS, TLS, SMTP, clocks                machine     files, secrets, disk
routes      places that route, and loops          kinds       which servers, and their days

Nothing is written, on no server and into no place: a message that may be too large is announced, never sent.
"""

from migrator.waves.doctor.diagnosis import Diagnosis, met
from migrator.waves.doctor.examine import Examined, doctor_wave, examine
from migrator.waves.doctor.machine import files, secrets

__all__ = ["Diagnosis", "Examined", "doctor_wave", "examine", "files", "met", "secrets"]
