module influx-anomaly.invalid/go-echo

go 1.25.10

require github.com/influxdata/kapacitor v1.8.6

require google.golang.org/protobuf v1.36.11 // indirect
