"""What differs between two sets of texts, in words, each hypothesis judged and tested."""

from saelake.explaining.claims.decided import JudgedHypothesis as JudgedHypothesis
from saelake.explaining.claims.estimating import StageEstimate as StageEstimate
from saelake.explaining.claims.page import as_html as as_html
from saelake.explaining.claims.verdicts import Hypothesis as Hypothesis
from saelake.explaining.claims.verdicts import TextVerdict as TextVerdict
from saelake.explaining.claims.written import as_markdown as as_markdown
from saelake.explaining.claims.written import write_report as write_report
from saelake.explaining.hypotheses.associating import estimate_value as estimate_value
from saelake.explaining.hypotheses.associating import explain_value as explain_value
from saelake.explaining.hypotheses.comparing import compare as compare
from saelake.explaining.hypotheses.comparing import compared as compared
from saelake.explaining.hypotheses.estimating import estimate as estimate
from saelake.explaining.hypotheses.estimating import estimated as estimated
from saelake.explaining.hypotheses.options import HypothesisOptions as HypothesisOptions
from saelake.explaining.hypotheses.report import HypothesisReport as HypothesisReport
