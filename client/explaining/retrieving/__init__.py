"""Documents that have a property, by features that a language model chooses."""

from saelake.explaining.claims.estimating import StageEstimate as StageEstimate
from saelake.explaining.claims.written import write_report as write_report
from saelake.explaining.retrieving.candidates import CandidateFeature as CandidateFeature
from saelake.explaining.retrieving.candidates import CandidateFeatures as CandidateFeatures
from saelake.explaining.retrieving.choosing import ModelChoice as ModelChoice
from saelake.explaining.retrieving.options import ChoosingOptions as ChoosingOptions
from saelake.explaining.retrieving.report import ModelRetrieval as ModelRetrieval
from saelake.explaining.retrieving.running import PhraseAsked as PhraseAsked
from saelake.explaining.retrieving.running import estimate_retrieval as estimate_retrieval
from saelake.explaining.retrieving.running import retrieve_by_model as retrieve_by_model
from saelake.explaining.retrieving.running import retrieved_by_model as retrieved_by_model
