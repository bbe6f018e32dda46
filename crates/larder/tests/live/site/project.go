// Package site renders static sites.
package site

import (
	_ "github.com/gohugoio/hugo/commands"
)
