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
	"os"
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
	"mod_hash":              {1, modHash},
	"zip_hash":              {1, zipHash},
	"zip_check":             {3, zipCheck},
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
	require, replace, exclude, retract := [][]any{}, [][]any{}, [][]any{}, [][]any{}
	for _, line := range file.Require {
		require = append(require, []any{line.Mod.Path, line.Mod.Version, line.Indirect})
	}
	for _, line := range file.Replace {
		replace = append(replace, []any{line.Old.Path, line.Old.Version, line.New.Path, line.New.Version})
	}
	for _, line := range file.Exclude {
		exclude = append(exclude, []any{line.Mod.Path, line.Mod.Version})
	}
	for _, line := range file.Retract {
		retract = append(retract, []any{line.Low, line.High, line.Rationale})
	}
	out["require"], out["replace"], out["exclude"], out["retract"] = require, replace, exclude, retract
	return out, nil
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
	valid, omitted, invalid := []string{}, []string{}, []string{}
	valid = append(valid, checked.Valid...)
	for _, file := range checked.Omitted {
		omitted = append(omitted, file.Path)
	}
	for _, file := range checked.Invalid {
		invalid = append(invalid, file.Path)
	}
	return map[string]any{"valid": valid, "omitted": omitted, "invalid": invalid}, err
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
