package orders_test

import (
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
