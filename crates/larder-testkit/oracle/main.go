// Command oracle answers questions about Go's rules, one JSON line each, from golang.org/x/mod itself.
//
// It is what larder-testkit's program rules is compared with; both read and write the same lines.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/mod/zip"
)

type question struct {
	ID any             `json:"id"`
	Op string          `json:"op"`
	In json.RawMessage `json:"in"`
}

// operation answers from its inputs; out counts without an error, or when it is not nil.
type operation struct {
	inputs int
	answer func(in []string) (out any, err error)
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer output.Flush()
	for {
		line, err := input.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			reply, _ := json.Marshal(answerLine(line))
			output.Write(append(reply, '\n'))
		}
		if err != nil {
			return
		}
		if input.Buffered() == 0 {
			output.Flush()
		}
	}
}

func answerLine(line []byte) (reply map[string]any) {
	var asked question
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&asked); err != nil {
		return map[string]any{"id": asked.ID, "ok": false, "err": "malformed line: " + err.Error()}
	}
	defer func() {
		if trouble := recover(); trouble != nil {
			reply = map[string]any{"id": asked.ID, "ok": false, "err": fmt.Sprint("panic: ", trouble)}
		}
	}()
	in, err := inputs(asked.In)
	var out any
	if err == nil {
		if op, known := operations[asked.Op]; !known {
			err = errors.New("unknown op")
		} else if len(in) != op.inputs {
			err = errors.New("wrong number of inputs for " + asked.Op)
		} else {
			out, err = op.answer(in)
		}
	}
	reply = map[string]any{"id": asked.ID, "ok": err == nil}
	if err == nil || out != nil {
		reply["out"] = out
	}
	if err != nil {
		reply["err"] = err.Error()
	}
	return reply
}

func inputs(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var several []string
	err := json.Unmarshal(raw, &several)
	return several, err
}

// check is for rules that only pass or fail; text, for those that give a text or fail; total, for those that
// always give something.
func check(rule func(string) error) operation {
	return operation{1, func(in []string) (any, error) { return nil, rule(in[0]) }}
}

func text(rule func(string) (string, error)) operation {
	return operation{1, func(in []string) (any, error) {
		out, err := rule(in[0])
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}

func total[T any](rule func(string) T) operation {
	return operation{1, func(in []string) (any, error) { return rule(in[0]), nil }}
}

func totalOfTwo[T any](rule func(a, b string) T) operation {
	return operation{2, func(in []string) (any, error) { return rule(in[0], in[1]), nil }}
}

func checkTwo(rule func(a, b string) error) operation {
	return operation{2, func(in []string) (any, error) { return nil, rule(in[0], in[1]) }}
}

var operations = map[string]operation{
	"check_path":            check(module.CheckPath),
	"check_import_path":     check(module.CheckImportPath),
	"check_file_path":       check(module.CheckFilePath),
	"check":                 checkTwo(module.Check),
	"escape_path":           text(module.EscapePath),
	"unescape_path":         text(module.UnescapePath),
	"escape_version":        text(module.EscapeVersion),
	"unescape_version":      text(module.UnescapeVersion),
	"split_path_version":    {1, splitPathVersion},
	"check_path_major":      checkTwo(module.CheckPathMajor),
	"match_path_major":      totalOfTwo(module.MatchPathMajor),
	"canonical_version":     total(module.CanonicalVersion),
	"match_prefix_patterns": totalOfTwo(module.MatchPrefixPatterns),
	"semver_valid":          total(semver.IsValid),
	"semver_canonical":      total(semver.Canonical),
	"semver_major":          total(semver.Major),
	"semver_major_minor":    total(semver.MajorMinor),
	"semver_prerelease":     total(semver.Prerelease),
	"semver_build":          total(semver.Build),
	"semver_compare":        totalOfTwo(semver.Compare),
	"is_pseudo":             total(module.IsPseudoVersion),
	"pseudo_time":           {1, pseudoTime},
	"pseudo_rev":            text(module.PseudoVersionRev),
	"pseudo_base":           text(module.PseudoVersionBase),
	"pseudo_version":        {4, pseudoVersion},
	"gomod":                 {1, goMod},
	"gomod_strict":          {1, goModStrict},
	"gowork":                {1, goWork},
	"info":                  {1, info},
	"goproxy":               {1, goproxy},
	"mod_hash":              {1, modHash},
	"zip_hash":              {1, zipHash},
	"zip_check":             {3, zipCheck},
	"zip_create":            {4, zipCreate},
	"zip_check_dir":         {1, zipCheckDir},
	"zip_create_files":      {3, zipCreateFiles},
	"note_open":             {2, noteOpen},
	"tree_parse":            {1, treeParse},
	"record_parse":          {1, recordParse},
	"tile_path_parse":       {1, tilePathParse},
}

func splitPathVersion(in []string) (any, error) {
	prefix, major, ok := module.SplitPathVersion(in[0])
	if !ok {
		return nil, errors.New("invalid version suffix")
	}
	return []string{prefix, major}, nil
}

func pseudoTime(in []string) (any, error) {
	stamp, err := module.PseudoVersionTime(in[0])
	if err != nil {
		return nil, err
	}
	return stamp.UTC().Format(time.RFC3339), nil
}

func pseudoVersion(in []string) (any, error) {
	stamp, err := time.Parse(time.RFC3339, in[2])
	if err != nil {
		return nil, err
	}
	return module.PseudoVersion(in[0], in[1], stamp, in[3]), nil
}

func goMod(in []string) (any, error) {
	data, err := base64.StdEncoding.DecodeString(in[0])
	if err != nil {
		return nil, err
	}
	file, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	return goModOut(file), nil
}

func goModOut(file *modfile.File) any {
	out := map[string]any{"module": "", "go": "", "toolchain": "", "deprecated": ""}
	if file.Module != nil {
		out["module"], out["deprecated"] = file.Module.Mod.Path, file.Module.Deprecated
	}
	if file.Go != nil {
		out["go"] = file.Go.Version
	}
	if file.Toolchain != nil {
		out["toolchain"] = file.Toolchain.Name
	}
	out["replace"] = replaceOut(file.Replace)
	out["require"] = list(file.Require, func(line *modfile.Require) any {
		return []any{line.Mod.Path, line.Mod.Version, line.Indirect}
	})
	out["exclude"] = list(file.Exclude, func(line *modfile.Exclude) any {
		return []any{line.Mod.Path, line.Mod.Version}
	})
	out["retract"] = list(file.Retract, func(line *modfile.Retract) any {
		return []any{line.Low, line.High, line.Rationale}
	})
	return out
}

// list is never nil, so that none is written as [] and not as null.
func list[T any](lines []*T, out func(*T) any) []any {
	all := []any{}
	for _, line := range lines {
		all = append(all, out(line))
	}
	return all
}

func replaceOut(lines []*modfile.Replace) any {
	return list(lines, func(line *modfile.Replace) any {
		return []any{line.Old.Path, line.Old.Version, line.New.Path, line.New.Version}
	})
}

func godebugOut(lines []*modfile.Godebug) any {
	return list(lines, func(line *modfile.Godebug) any { return []any{line.Key, line.Value} })
}

func goModStrict(in []string) (any, error) {
	data, err := base64.StdEncoding.DecodeString(in[0])
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	tool := list(file.Tool, func(line *modfile.Tool) any { return line.Path })
	ignore := list(file.Ignore, func(line *modfile.Ignore) any { return line.Path })
	return []any{goModOut(file), godebugOut(file.Godebug), tool, ignore}, nil
}

func goWork(in []string) (any, error) {
	data, err := base64.StdEncoding.DecodeString(in[0])
	if err != nil {
		return nil, err
	}
	file, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return nil, err
	}
	version, toolchain := "", ""
	if file.Go != nil {
		version = file.Go.Version
	}
	if file.Toolchain != nil {
		toolchain = file.Toolchain.Name
	}
	uses := list(file.Use, func(line *modfile.Use) any { return line.Path })
	return []any{version, toolchain, godebugOut(file.Godebug), uses, replaceOut(file.Replace)}, nil
}

// info reads what the go command reads of a .info file, and demands a canonical version as Larder does.
func info(in []string) (any, error) {
	var read struct {
		Version string
		Time    time.Time
		Origin  *struct{ VCS, URL, Subdir, Hash, TagPrefix, TagSum, Ref, RepoSum string }
	}
	if err := json.Unmarshal([]byte(in[0]), &read); err != nil {
		return nil, err
	}
	if read.Version == "" || read.Version != module.CanonicalVersion(read.Version) {
		return nil, errors.New("no canonical version")
	}
	if read.Time.IsZero() {
		return []any{read.Version, ""}, nil
	}
	return []any{read.Version, read.Time.UTC().Format(time.RFC3339Nano)}, nil
}

// goproxy reads a GOPROXY list by the rules of the go command, which has them in no package that could be used.
func goproxy(in []string) (any, error) {
	entries := [][]string{}
	for rest := in[0]; rest != ""; {
		text, separator := rest, ""
		if at := strings.IndexAny(rest, ",|"); at >= 0 {
			text, separator, rest = rest[:at], rest[at:at+1], rest[at+1:]
		} else {
			rest = ""
		}
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if text == "off" || text == "direct" {
			entries = append(entries, []string{text, separator})
			break
		}
		if strings.ContainsAny(text, ".:/") && !strings.Contains(text, ":/") && !strings.HasPrefix(text, "/") {
			text = "https://" + text
		}
		if err := proxyURL(text); err != nil {
			return nil, err
		}
		entries = append(entries, []string{text, separator})
	}
	if len(entries) == 0 {
		return nil, errors.New("no entries")
	}
	// Nobody is asked after the last one.
	entries[len(entries)-1][1] = ""
	return entries, nil
}

func proxyURL(text string) error {
	base, err := url.Parse(text)
	if err != nil {
		return err
	}
	switch base.Scheme {
	case "http", "https":
		return nil
	case "file":
		if *base == (url.URL{Scheme: "file", Path: base.Path, RawPath: base.RawPath}) {
			return nil
		}
	}
	return errors.New("no proxy URL")
}

func modHash(in []string) (any, error) {
	data, err := base64.StdEncoding.DecodeString(in[0])
	if err != nil {
		return nil, err
	}
	hash, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if err != nil {
		return nil, err
	}
	return hash, nil
}

func zipHash(in []string) (any, error) {
	hash, err := dirhash.HashZip(in[0], dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	return hash, nil
}

func zipCheck(in []string) (any, error) {
	checked, err := zip.CheckZip(module.Version{Path: in[1], Version: in[2]}, in[0])
	if err == nil {
		err = checked.Err()
	}
	return checkedOut(checked), err
}

func checkedOut(checked zip.CheckedFiles) map[string]any {
	valid, omitted, invalid := []string{}, []string{}, []string{}
	valid = append(valid, checked.Valid...)
	for _, file := range checked.Omitted {
		omitted = append(omitted, file.Path)
	}
	for _, file := range checked.Invalid {
		invalid = append(invalid, file.Path)
	}
	return map[string]any{"valid": valid, "omitted": omitted, "invalid": invalid}
}

func noteOpen(in []string) (any, error) {
	verifier, err := note.NewVerifier(in[1])
	if err != nil {
		return nil, err
	}
	opened, err := note.Open([]byte(in[0]), note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	return opened.Text, nil
}

func treeParse(in []string) (any, error) {
	tree, err := tlog.ParseTree([]byte(in[0]))
	if err != nil {
		return nil, err
	}
	return []any{tree.N, tree.Hash.String()}, nil
}

func recordParse(in []string) (any, error) {
	id, text, _, err := tlog.ParseRecord([]byte(in[0]))
	if err != nil {
		return nil, err
	}
	return []any{id, string(text)}, nil
}

func tilePathParse(in []string) (any, error) {
	tile, err := tlog.ParseTilePath(in[0])
	if err != nil {
		return nil, err
	}
	return []any{tile.H, tile.L, tile.N, tile.W}, nil
}
