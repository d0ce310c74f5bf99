"""How long sets live: a policy, and a planner that is a pure function of it."""

from .periods import Period
from .planner import Candidate, Decision, plan_retention
from .policy import DEFAULT, UNTIL_RELEASED, Policy

__all__ = ["DEFAULT", "UNTIL_RELEASED", "Candidate", "Decision", "Period", "Policy", "plan_retention"]
