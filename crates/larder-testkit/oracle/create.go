package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// zipCreate writes beside the named file, which the program it is compared with writes at the same time.
func zipCreate(in []string) (any, error) {
	output, err := os.Create(in[3] + ".oracle")
	if err != nil {
		return nil, err
	}
	defer os.Remove(output.Name())
	defer output.Close()
	if err := zip.CreateFromDir(output, module.Version{Path: in[1], Version: in[2]}, in[0]); err != nil {
		return nil, err
	}
	return zipHash([]string{output.Name()})
}

func zipCheckDir(in []string) (any, error) {
	checked, err := zip.CheckDir(in[0])
	return checkedOut(checked), err
}

type listedFile struct {
	FileName string `json:"-"`
	RawName  []byte `json:"name"`
	Kind     string `json:"kind"`
	Declared int64  `json:"size"`
	Data     []byte `json:"data"`
}

func (f *listedFile) Path() string                 { return f.FileName }
func (f *listedFile) Lstat() (os.FileInfo, error)  { return f, nil }
func (f *listedFile) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Data)), nil }
func (f *listedFile) Name() string                 { return path.Base(f.FileName) }
func (f *listedFile) Size() int64                  { return f.Declared }
func (f *listedFile) ModTime() time.Time           { return time.Time{} }
func (f *listedFile) IsDir() bool                  { return f.Mode().IsDir() }
func (f *listedFile) Sys() any                     { return nil }

func (f *listedFile) Mode() fs.FileMode {
	switch f.Kind {
	case "f":
		return 0o644
	case "d":
		return fs.ModeDir | 0o755
	case "l":
		return fs.ModeSymlink | 0o777
	}
	return fs.ModeNamedPipe | 0o644
}

func zipCreateFiles(in []string) (any, error) {
	var listed []*listedFile
	if err := json.Unmarshal([]byte(in[2]), &listed); err != nil {
		return nil, err
	}
	files := []zip.File{}
	for _, file := range listed {
		file.FileName = string(file.RawName)
		files = append(files, file)
	}
	checked, _ := zip.CheckFiles(files)
	out := checkedOut(checked)
	var archive bytes.Buffer
	if err := zip.Create(&archive, module.Version{Path: in[0], Version: in[1]}, files); err != nil {
		return out, err
	}
	temporary, err := os.CreateTemp("", "oracle-*.zip")
	if err != nil {
		return out, err
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if _, err := temporary.Write(archive.Bytes()); err != nil {
		return out, err
	}
	out["h1"], err = dirhash.HashZip(temporary.Name(), dirhash.Hash1)
	return out, err
}
