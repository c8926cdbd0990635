"""Clusters of documents and families of features named in words, each name judged."""

from saelake.explaining.claims.estimating import StageEstimate as StageEstimate
from saelake.explaining.claims.page import as_html as as_html
from saelake.explaining.claims.written import as_markdown as as_markdown
from saelake.explaining.claims.written import write_report as write_report
from saelake.explaining.naming.estimating import estimate_names as estimate_names
from saelake.explaining.naming.estimating import naming_estimated as naming_estimated
from saelake.explaining.naming.evidence import GroupFeature as GroupFeature
from saelake.explaining.naming.named import NamedGroup as NamedGroup
from saelake.explaining.naming.options import NamingOptions as NamingOptions
from saelake.explaining.naming.report import NamingReport as NamingReport
from saelake.explaining.naming.running import groups_named as groups_named
from saelake.explaining.naming.running import name_groups as name_groups
