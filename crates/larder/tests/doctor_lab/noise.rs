//! Logs as people paste them: what build systems put around the lines of the go command.

/// Dresses a log in one of many ways, chosen by the scenario; each client's log of a scenario gets another dress, and only every
/// third gets one.
pub(crate) fn dressed(
    id: &str,
    name: &str,
    minor: u32,
    command: &str,
    text: &str,
) -> Option<(&'static str, String)> {
    let seed = id
        .bytes()
        .chain(name.bytes())
        .fold(minor, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    if seed % 3 != 0 {
        return None;
    }
    let dresses: &[Dress] = &[
        ("github", github),
        ("gitlab", gitlab),
        ("buildkit", buildkit),
        ("docker", docker),
        ("jenkins", jenkins),
        ("shell", shell),
        ("compose", compose),
        ("coloured", coloured),
        ("cut", cut),
        ("crlf", crlf),
        ("make", make),
        ("quoted", quoted),
        ("kubernetes", kubernetes),
        ("progress", progress),
        ("ide", ide),
    ];
    let (word, dress) = dresses[(seed / 3) as usize % dresses.len()];
    Some((word, dress(command, text)))
}

type Dress = (&'static str, fn(&str, &str) -> String);

fn lines(text: &str, each: impl Fn(usize, &str) -> String) -> String {
    text.lines().enumerate().map(|(number, line)| each(number, line) + "\n").collect()
}

/// GitHub Actions, as downloaded: a time before each line.
fn github(command: &str, text: &str) -> String {
    let time = |number: usize| {
        format!("2025-03-14T09:26:{:02}.{:07}Z", 10 + number / 7 % 50, 535_898 + number * 1_009)
    };
    let begin = format!(
        "{0} ##[group]Run {command}\n{0} \u{1b}[36;1m{command}\u{1b}[0m\n{0} shell: /usr/bin/bash -e {{0}}\n{0} ##[endgroup]\n",
        time(0)
    );
    let end = format!("{} ##[error]Process completed with exit code 1.\n", time(90));
    begin + &lines(text, |number, line| format!("{} {line}", time(number))) + &end
}

/// GitLab, as it stands in the job's page.
fn gitlab(command: &str, text: &str) -> String {
    format!(
        "\u{1b}[0KRunning with gitlab-runner 17.5.3 (12030cf4)\u{1b}[0;m\nsection_start:1741944386:step_script\r\u{1b}[0K\u{1b}[0K\u{1b}[36;1mExecuting \"step_script\" stage of the job script\u{1b}[0;m\n\u{1b}[32;1m$ {command}\u{1b}[0;m\n{text}section_end:1741944390:step_script\r\u{1b}[0K\u{1b}[0Ksection_start:1741944390:cleanup_file_variables\r\u{1b}[0K\u{1b}[0K\u{1b}[36;1mCleaning up project directory and file based variables\u{1b}[0;m\n\u{1b}[31;1mERROR: Job failed: exit code 1\n\u{1b}[0;m\n"
    )
}

/// Docker's builder: numbered steps with seconds, and the summary that says everything once more.
fn buildkit(command: &str, text: &str) -> String {
    let steps = lines(text, |number, line| format!("#11 {:.3} {line}", 0.412 + number as f64 / 100.0));
    let again = lines(text, |number, line| format!("{:.3} {line}", 0.412 + number as f64 / 100.0));
    format!(
        "#10 [builder 4/6] COPY go.mod go.sum ./\n#10 DONE 0.1s\n\n#11 [builder 5/6] RUN {command}\n{steps}#11 ERROR: process \"/bin/sh -c {command}\" did not complete successfully: exit code: 1\n------\n > [builder 5/6] RUN {command}:\n{again}------\nDockerfile:9\n--------------------\n   7 |     WORKDIR /src\n   8 |     COPY go.mod go.sum ./\n   9 | >>> RUN {command}\n  10 |     COPY . .\n--------------------\nERROR: failed to solve: process \"/bin/sh -c {command}\" did not complete successfully: exit code: 1\n"
    )
}

/// Docker's old builder.
fn docker(command: &str, text: &str) -> String {
    format!(
        "Step 5/9 : RUN {command}\n ---> Running in 3f2a8c7d1b9e\n\u{1b}[91m{text}\u{1b}[0mThe command '/bin/sh -c {command}' returned a non-zero code: 1\n"
    )
}

fn jenkins(command: &str, text: &str) -> String {
    let all = format!("+ {command}\n{text}script returned exit code 1\n");
    "[Pipeline] sh\n".to_owned() + &lines(&all, |_, line| format!("[2025-03-14T09:26:53.589Z] {line}"))
}

fn shell(command: &str, text: &str) -> String {
    format!("dev@laptop:~/app$ {command}\n{text}dev@laptop:~/app$ echo $?\n1\ndev@laptop:~/app$ \n")
}

fn compose(command: &str, text: &str) -> String {
    let body = lines(text, |_, line| format!("api-1  | {line}"));
    format!(
        "Attaching to api-1, db-1\ndb-1   | database system is ready to accept connections\napi-1  | + {command}\n{body}api-1 exited with code 1\n"
    )
}

/// A terminal's colours around everything.
fn coloured(_: &str, text: &str) -> String {
    lines(text, |number, line| format!("\u{1b}[{}m{line}\u{1b}[0m\u{1b}[K", 31 + number % 6))
}

/// The end of a longer log: what came before has been cut off, and the last line has no end.
fn cut(command: &str, text: &str) -> String {
    format!(
        "... (214 lines omitted)\nok  \texample.com/app/internal/store\t0.214s\n$ {command}\n{}",
        text.trim_end()
    )
}

fn crlf(command: &str, text: &str) -> String {
    format!("PS C:\\src\\app> {command}\n{text}").replace('\n', "\r\n")
}

fn make(command: &str, text: &str) -> String {
    format!(
        "make[1]: Entering directory '/home/dev/app'\n{command}\n{text}make[1]: *** [Makefile:14: deps] Error 1\nmake[1]: Leaving directory '/home/dev/app'\nmake: *** [Makefile:3: all] Error 2\n"
    )
}

/// Quoted in a mail or an issue.
fn quoted(command: &str, text: &str) -> String {
    format!(
        "Hi, since this morning I get\n\n> $ {command}\n{}\nAny idea?\n",
        lines(text, |_, line| format!("> {line}"))
    )
}

fn kubernetes(command: &str, text: &str) -> String {
    lines(&format!("+ {command}\n{text}"), |number, line| {
        format!("2025-03-14T09:26:53.{:09}Z stderr F {line}", 589_793_238 + number)
    })
}

/// The progress of other downloads in between.
fn progress(_: &str, text: &str) -> String {
    let mut out = String::new();
    for number in 0..12 {
        out.push_str(&format!("go: downloading example.org/lib{number} v1.{number}.0\n"));
    }
    let mut number = 12;
    for line in text.lines() {
        if line.starts_with("go: ") || line.contains(": ") && !line.starts_with([' ', '\t']) {
            out.push_str(&format!("go: downloading example.org/lib{number} v1.{number}.0\n"));
            number += 1;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// What an editor's language server shows.
fn ide(command: &str, text: &str) -> String {
    let body = lines(text, |_, line| format!("\t{line}"));
    format!("[Error - 09:26:53] err: exit status 1: stderr: running `{command}` in /home/dev/app\n{body}")
}
