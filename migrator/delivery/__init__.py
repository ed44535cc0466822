"""The proof that mail arrives where it must and only there: canaries, where they were found, the verdict."""

from migrator.delivery.message import CanaryPlan, plan_canaries
from migrator.delivery.post import Envelope
from migrator.delivery.proof import ProofJob, prove, tidy
from migrator.delivery.verdict import IngressCount, Proof, by_ingress

__all__ = [
    "CanaryPlan",
    "Envelope",
    "IngressCount",
    "Proof",
    "ProofJob",
    "by_ingress",
    "plan_canaries",
    "prove",
    "tidy",
]
