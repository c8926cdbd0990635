"""Documents judged by a rubric in words, with any language model server: columns of verdicts."""

from saelake.judging.judge import JudgeReport, JudgingPlan, estimate_judging, judge

__all__ = ["JudgeReport", "JudgingPlan", "estimate_judging", "judge"]
