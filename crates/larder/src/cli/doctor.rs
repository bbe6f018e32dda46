//! What can be typed after `larder doctor`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) const DOCTOR_HELP: &str = "\
Examples:
  larder doctor                                  this machine and this project
  larder doctor example.com/m@v1.2.3             why this module can't be downloaded from here
  go build ./... 2>&1 | larder doctor log        what the go command's words mean
  larder doctor run -- go mod download           run it, and explain it if it fails
  larder doctor mirrors                          which module proxies work from here, and how fast
  larder doctor recipe --private git.corp.example   settings to paste, each with its reason
  larder doctor show N10                         one cause: how it looks, its proof, its cure

Secrets never appear in any report. --share also renames private names, users, hosts and addresses.

Exit codes: 0 healthy, 1 something found, 2 wrong usage; `run` keeps the exit code of its command.";

/// What `larder doctor` takes.
#[derive(Args, Debug)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Doctor {
    #[command(subcommand)]
    pub(crate) command: Option<DoctorCommand>,
    /// The module, perhaps with a version or query; without it, what this project needs.
    #[arg(value_name = "MODULE[@VERSION]")]
    pub(crate) subject: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How a report is written. These stand before or after the name of a subcommand.
#[derive(Args, Clone, Debug)]
pub(crate) struct Form {
    /// Form of the report.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub(crate) format: ReportFormat,
    /// Language of the report; without it, that of the locale.
    #[arg(long, value_enum, global = true)]
    pub(crate) lang: Option<Lang>,
    /// Rename private names, users, internal hosts and addresses, each always to the same new name.
    #[arg(long, global = true)]
    pub(crate) share: bool,
    /// Write all facts, without secrets and private names, to FILE, to attach to an issue.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) bundle: Option<PathBuf>,
}

/// How far the doctor may look.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reach {
    /// Seconds for the whole run.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    pub(crate) timeout: u64,
    /// Look at files and settings only, ask nobody.
    #[arg(long, global = true)]
    pub(crate) no_network: bool,
    /// Read the environment and folder of this running process, not of this shell.
    #[arg(long, value_name = "PID", global = true)]
    pub(crate) pid: Option<u32>,
    /// Ask this many times and report how the answers vary.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000), global = true)]
    pub(crate) repeat: u32,
}

/// The commands of the doctor.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Explain the words of a build: a file, or standard input.
    Log {
        /// The log; `-` or nothing for standard input.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Say which route the go command takes for a path, and why.
    Explain {
        /// The module or package path, perhaps with a version.
        #[arg(value_name = "MODULE[@VERSION]", required_unless_present = "pattern")]
        subject: Option<String>,
        /// Show what a pattern, as in GOPRIVATE, matches of these paths.
        #[arg(long, value_name = "PATTERN")]
        pattern: Option<String>,
        /// With --pattern: the paths.
        #[arg(value_name = "PATH", requires = "pattern")]
        paths: Vec<String>,
        /// Ask the network too.
        #[arg(long)]
        probe: bool,
    },
    /// Run a command, its output untouched, and explain its failure.
    Run {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<std::ffi::OsString>,
    },
    /// Compare module proxies from here, and say which GOPROXY that speaks for.
    Mirrors {
        /// The proxies; without any, those of GOPROXY and the public ones.
        #[arg(value_name = "URL")]
        urls: Vec<String>,
    },
    /// Print settings to paste, each with its reason. Without options on a terminal, it asks.
    Recipe(Recipe),
    /// List every cause that the doctor knows.
    List,
    /// Show one cause: how it looks, its proof, its cure, and the popular wrong cure.
    Show {
        /// The id or the name of the cause: N10, tls-private-ca.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// What a recipe is for.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Recipe {
    /// The company's module proxy.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// The proxy wants a login.
    #[arg(long, requires = "proxy")]
    pub(crate) login: bool,
    /// Private modules, as in GOPRIVATE: git.corp.example, *.corp.example/team.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(crate) private: Vec<String>,
    /// Who serves the private modules; without it the proxy, if there is one.
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) private_from: Option<PrivateFrom>,
    /// A public mirror to use; several are tried in this order.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,
    /// Where this is: in mainland China the public proxy and checksum database can't be reached.
    #[arg(long, value_enum, value_name = "REGION")]
    pub(crate) region: Option<Region>,
    /// The forward proxy on the way out.
    #[arg(long, value_name = "URL")]
    pub(crate) forward_proxy: Option<String>,
    /// Where the settings go.
    #[arg(long = "for", value_enum, value_name = "PLACE")]
    pub(crate) place: Option<RecipePlace>,
}

/// Who serves private modules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PrivateFrom {
    /// The company's proxy.
    Proxy,
    /// Git, asked by each client itself.
    Git,
}

/// Regions with a recipe of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Region {
    /// Mainland China.
    China,
    /// Everywhere else.
    World,
}

/// Where settings go.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum RecipePlace {
    /// A developer's shell.
    Shell,
    /// A Dockerfile.
    Docker,
    /// A workflow of GitHub.
    Github,
    /// A .gitlab-ci.yml.
    Gitlab,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people, 80 columns.
    Text,
    /// For programs.
    Json,
    /// To paste into an issue.
    Markdown,
}

/// The languages of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Lang {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}
