"""What the operator wrote: migrator.yaml, waves/*.yaml, mailboxes.csv, secrets.

loading     `load`: the workspace as one checked value; `examine`: as far as it can be used
schema      what migrator.yaml may say
crosschecks what is wrong between its sections
auth        `auth:`: the kinds of login
logins      from a mailbox and its server to a login
roster      mailboxes.csv, as spreadsheets save it
foreign     an export of another system, in columns of its own names
merging     people from elsewhere, merged into the text of mailboxes.csv
importing   the merge as a diff, and written in one step
directories how a directory is reached, and what its entries say of people
wavefiles   waves/*.yaml, read and written
policies    which servers a department may go to
windows     when copying is fast, and when waves may be cut over
ingresses   where canaries enter
notify      who is told what becomes of a wave
templates   the words of a notice
secrets     references to secrets, read at the moment of use
tokens      kept until they expire, got anew when one is refused; `microsoft` and `google` get them there
packages    Python packages that only some workspaces need
marks       YAML that remembers lines and columns
validation  pydantic's findings in our words, at their places
problems    what is wrong, all of a file in one error
quantities  durations, sizes
scaffold    a new workspace, commented
"""

from migrator.workspace.loading import UnknownName, Workspace, examine, load
from migrator.workspace.problems import Problem, WorkspaceInvalid
from migrator.workspace.routing import RoutingEntry
from migrator.workspace.scaffold import init
from migrator.workspace.schema import Config, FolderSettings, Server
from migrator.workspace.secrets import SecretUnavailable
from migrator.workspace.wavefiles import remove_wave, save_wave

__all__ = [
    "Config",
    "FolderSettings",
    "Problem",
    "RoutingEntry",
    "SecretUnavailable",
    "Server",
    "UnknownName",
    "Workspace",
    "WorkspaceInvalid",
    "examine",
    "init",
    "load",
    "remove_wave",
    "save_wave",
]
