"""What features are about, in words: evidence, prompts, how replies are read, and scores.

Only `run` asks a server and writes: all else is values and text.
"""

from saelake.explaining.evidence import PASSAGES as PASSAGES
from saelake.explaining.evidence import EvidenceOptions as EvidenceOptions
from saelake.explaining.evidence import FeatureEvidence as FeatureEvidence
from saelake.explaining.explainers import Way as Way
from saelake.explaining.explainers import explaining as explaining
from saelake.explaining.judging import IntruderTask as IntruderTask
from saelake.explaining.judging import JudgedWindows as JudgedWindows
from saelake.explaining.judging import detection as detection
from saelake.explaining.judging import fuzzing as fuzzing
from saelake.explaining.judging import intruders as intruders
from saelake.explaining.reading import EvidenceReader as EvidenceReader
from saelake.explaining.run.explained import ExplainedFeature as ExplainedFeature
from saelake.explaining.run.explained import JudgedScore as JudgedScore
from saelake.explaining.run.explained import LabelOrigin as LabelOrigin
from saelake.explaining.run.explained import UnexplainedFeature as UnexplainedFeature
from saelake.explaining.run.faces import explain as explain
from saelake.explaining.run.faces import explain_awaited as explain_awaited
from saelake.explaining.run.faces import score_labels as score_labels
from saelake.explaining.run.faces import score_labels_awaited as score_labels_awaited
from saelake.explaining.run.options import ExplainOptions as ExplainOptions
from saelake.explaining.run.report import ExplainReport as ExplainReport
from saelake.explaining.scores.areas import area as area
from saelake.explaining.scores.areas import surprise_saved as surprise_saved
from saelake.explaining.scores.classified import Classification as Classification
from saelake.explaining.scores.classified import IntruderScore as IntruderScore
from saelake.explaining.scores.classified import classified as classified
from saelake.explaining.scores.classified import intruders_found as intruders_found
from saelake.explaining.scores.estimates import ScoreEstimate as ScoreEstimate
from saelake.explaining.scores.simulations import SimulationScore as SimulationScore
from saelake.explaining.scores.simulations import simulation_score as simulation_score
from saelake.explaining.simulating import SurprisalTexts as SurprisalTexts
from saelake.explaining.simulating import embedding_query as embedding_query
from saelake.explaining.simulating import simulation as simulation
from saelake.explaining.simulating import surprisal as surprisal
from saelake.explaining.windows import TokenWindow as TokenWindow
from saelake.language.amounts import Budget as Budget
from saelake.language.amounts import Prices as Prices
from saelake.language.keys import read_key as read_key
from saelake.language.reading import Unreadable as Unreadable
from saelake.language.settings import LanguageSettings as LanguageSettings
