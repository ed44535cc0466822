"""The proof that mail arrives where it must and only there: canaries, where they were found, the verdict."""

from migrator.delivery.message import CanaryPlan, plan_canaries
from migrator.delivery.post import Envelope
from migrator.delivery.proof import ProofJob, prove, tidy
from migrator.delivery.verdict import Proof

__all__ = [
    "CanaryPlan",
    "Envelope",
    "Proof",
    "ProofJob",
    "plan_canaries",
    "prove",
    "tidy",
]
