// Command go_echo is an echo UDF on Kapacitor's own Go agent: what the other rows of the benchmark are compared with.
package main

import (
	"errors"
	"log"
	"os"

	"github.com/influxdata/kapacitor/udf/agent"
)

// echo gives back each point as it came, as Kapacitor's example udf/agent/examples/mirror does.
type echo struct {
	agent *agent.Agent
}

func (echo) Info() (*agent.InfoResponse, error) {
	return &agent.InfoResponse{Wants: agent.EdgeType_STREAM, Provides: agent.EdgeType_STREAM}, nil
}

func (echo) Init(*agent.InitRequest) (*agent.InitResponse, error) {
	return &agent.InitResponse{Success: true}, nil
}

func (echo) Snapshot() (*agent.SnapshotResponse, error) {
	return &agent.SnapshotResponse{}, nil
}

func (echo) Restore(*agent.RestoreRequest) (*agent.RestoreResponse, error) {
	return &agent.RestoreResponse{Success: true}, nil
}

func (echo) BeginBatch(*agent.BeginBatch) error { return errors.New("go_echo takes streams only") }

func (e echo) Point(point *agent.Point) error {
	e.agent.Responses <- &agent.Response{Message: &agent.Response_Point{Point: point}}
	return nil
}

func (echo) EndBatch(*agent.EndBatch) error { return errors.New("go_echo takes streams only") }

func (e echo) Stop() { close(e.agent.Responses) }

func main() {
	a := agent.New(os.Stdin, os.Stdout)
	a.Handler = echo{agent: a}
	if err := a.Start(); err != nil {
		log.Fatal(err)
	}
	if err := a.Wait(); err != nil {
		log.Fatal(err)
	}
}
