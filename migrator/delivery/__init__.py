"""The proof that mail arrives where it must and only there: canaries, where they were found, the verdict."""

from migrator.delivery.post import Envelope
from migrator.delivery.prove import ProofJob, prove, tidy
from migrator.delivery.verdict import IngressCount, Proof, by_ingress

__all__ = ["Envelope", "IngressCount", "Proof", "ProofJob", "by_ingress", "prove", "tidy"]
