package sample

// The famous items. Each occurs in orders only as a trade's heads say.
const (
	pid             = "PID"
	calKit          = "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag"
	waterLevelMeter = "Water Level Meter"
	ysi             = "YSI"
	horiba          = "Horiba"
	gloves          = "Gloves"
)

// trade is a kind of work and the items rented for it. A core has at least as many items as an ordinary order
// can need: one more than the largest extra.
type trade struct {
	heads    []head   // famous items and their numbers of orders; the first head is the whole one
	core     []string // everyday items, most popular first
	patterns []string // name patterns of the items in the trade's kits
}

type head struct {
	items  []string
	orders int64 // at scale 1
}

// trades are the orders of scale 1. Summed over all heads, PID is in 30,245
// orders, Water Level Meter in 29,558, the Cal Kit in 22,975, YSI in 18,676,
// Horiba in 15,305 and Gloves in 7,243; PID is with the Cal Kit in 17,951, with
// Water Level Meter in 8,124 and with Gloves in 3,609.
var trades = []trade{
	{ // vapour screening
		heads: []head{
			{[]string{pid, calKit, gloves}, 1_909},
			{[]string{pid, calKit}, 10_518},
			{[]string{pid, gloves}, 1_000},
			{[]string{pid}, 8_694},
			{nil, 3_000},
		},
		core: []string{
			`Tubing - 1/4" x 3/8" - Teflon`, "PID Lamp - 10.6 eV", "PID Charger & Wall Adapter",
			"Filter - PID Moisture Trap - 5 µm (Pack of 10)", "Tedlar Bag - 1 L", "PID Battery Pack - Li-Ion",
			`PID Probe - 12" Stainless`, "Regulator - 0.5 L/min - Fixed Flow", "Zero Air - 34 L Cylinder",
			"PID Data Cable - USB", "Filter - Charcoal, Zero Air", "PID Hard Case",
		},
		patterns: []string{
			`PID Lamp - 10.6 eV, {inch}" Window - {brand} {model}`,
			"Battery Pack - Gas Detector - {volt} V - {brand} {model}",
			`Tubing - {inch}" ID - {polymer}, {feet}' - {brand} {model}`,
			"Tedlar Bag - {litres} L - {polymer} Valve - {brand} {model}",
			"Gas Detector - {gas} - 0 to {ppm} ppm - {brand} {model}",
		},
	},
	{ // site investigation
		heads: []head{
			{[]string{pid, calKit, waterLevelMeter, gloves}, 700},
			{[]string{pid, calKit, waterLevelMeter}, 4_824},
			{[]string{pid, waterLevelMeter}, 2_600},
		},
		core: []string{
			`Tubing - 1/4" x 3/8" - Teflon`, "Interface Probe - 100'", `Bailer - Disposable - 1.5" x 36"`,
			"PID Lamp - 10.6 eV", `Hand Auger Kit - 3 1/4"`, "Sample Jar - 8 oz - Amber", "Sample Cooler - 48 qt",
			"Decon Kit - Brush & Bucket", `Rope - Bailer - 1/8" x 1000'`, "Drum Label - Non-Hazardous",
			"Driller's Soil Core Tray", "Field Logbook - Weatherproof",
		},
		patterns: []string{
			`Hand Auger Bucket - {inch}" Bit - {brand} {model}`,
			"Sample Jar - {millilit} mL - {colour} - {brand} {model}",
			"Soil Probe - {metal} - {feet}' - {brand} {model}",
			"Interface Probe - {feet}' - {brand} {model}",
			"Decon Sprayer - {litres} L - {colour} - {brand} {model}",
		},
	},
	{ // groundwater gauging
		heads: []head{
			{[]string{waterLevelMeter, gloves}, 1_434},
			{[]string{waterLevelMeter}, 12_900},
			{nil, 1_500},
		},
		core: []string{
			`Bailer - Disposable - 1.5" x 36"`, "Water Level Meter Tape - 200'", `Rope - Bailer - 1/8" x 1000'`,
			"Interface Probe - 100'", `Well Plug - Locking - 2"`, "Well Cap Socket Set", "Battery - 9 V (Pack of 4)",
			"Purge Pump - 12 V Submersible", "Level Logger - 30 m", "Barometric Logger", "Tape Guide & Weight",
			"Manhole Pick",
		},
		patterns: []string{
			`Bailer - {polymer} - {inch}" x 36" - {brand} {model}`,
			"Water Level Tape - {feet}' - {brand} {model}",
			"Level Logger - {metres} m - {brand} {model}",
			`Well Plug - {inch}" - {colour} - {brand} {model}`,
			"Rope - {polymer}, {colour} - {feet}' - {brand} {model}",
		},
	},
	{ // low-flow sampling with YSI
		heads: []head{
			{[]string{ysi, waterLevelMeter}, 4_200},
			{[]string{ysi}, 14_476},
			{nil, 3_000},
		},
		core: []string{
			"YSI Flow Cell", "Calibration Solution - Horiba Auto-Cal - 1 L", "Peristaltic Pump - Variable Speed",
			`Tubing - 1/4" x 3/8" - Polyethylene`, "YSI Cable - 10 m", "Tubing - Silicone, Pump Head - 5'",
			"Filter - Inline 0.45 µm - 600 cm²", "Turbidity Meter", "Calibration Solution - Conductivity 1413 µS/cm",
			"Membrane Kit - Dissolved Oxygen", "Battery - 12 V Deep Cycle", "YSI Hard Case",
		},
		patterns: []string{
			"Sonde Cable - {metres} m - {plug} - {brand} {model}",
			"Flow Cell - {millilit} mL - {polymer} - {brand} {model}",
			"Filter - Inline {micron} µm - {brand} {model}",
			"Sonde Sensor - Dissolved Oxygen, ±{amount} % - {brand} {model}",
			"Peristaltic Pump - {volt} V - {brand} {model}",
		},
	},
	{ // low-flow sampling with Horiba
		heads: []head{
			{[]string{horiba, waterLevelMeter}, 2_900},
			{[]string{horiba}, 12_405},
			{nil, 2_000},
		},
		core: []string{
			"Calibration Solution - Horiba Auto-Cal - 1 L", "Horiba Flow Cell", `Bladder Pump - 1.75"`,
			`Tubing - 1/4" x 3/8" - Polyethylene`, "Bladder Pump Controller", "Compressor - 12 V, Oil-Free",
			"Filter - Inline 0.45 µm - 600 cm²", "Horiba Sensor Guard", "Horiba Cable - 2 m",
			"Bladder - Teflon (Pack of 12)", "Battery - 12 V Deep Cycle", "Flow Cell Stand & Clamp",
		},
		patterns: []string{
			`Bladder Pump - {metal} - {inch}" Outlet - {brand} {model}`,
			"Calibration Solution - pH 4 + 7 + 10 - {millilit} mL - {brand} {model}",
			`Tubing - {inch}" Twin Bonded - {polymer}, {feet}' - {brand} {model}`,
			"Water Quality Meter - {metres} m, {celsius} °C - {brand} {model}",
			"Pump Controller - {volt} V - {plug} - {brand} {model}",
		},
	},
	{ // gas calibration
		heads: []head{
			{[]string{calKit}, 5_024},
			{nil, 2_600},
		},
		core: []string{
			"Four-Gas Monitor", "Calibration Gas - Four-Gas Mix - 58 L", "Regulator - Demand Flow",
			"Tedlar Bag - 1 L", "Zero Air - 34 L Cylinder", "Docking Station - Four-Gas", "Calibration Cup & Hose",
			"Calibration Gas - Methane 50 % LEL", "Regulator - 0.5 L/min - Fixed Flow", "Cylinder Case - Two 34 L",
			"Calibration Gas - Hydrogen Sulfide 25 ppm", "Docking Station Printer",
		},
		patterns: []string{
			"Calibration Gas - {gas} {ppm} ppm - {litres} L - {brand} {model}",
			"Calibration Gas - {gas} {amount} % - {litres} L - {brand} {model}",
			"Regulator - {metal} - {amount} L/min - {brand} {model}",
			"Docking Station - {gas} - {plug} - {brand} {model}",
			"Gas Sensor - {gas}, Slot #{pack} - {brand} {model}",
		},
	},
	{ // protective equipment
		heads: []head{
			{[]string{gloves}, 2_200},
			{nil, 5_000},
		},
		core: []string{
			"Respirator - Half Mask - Medium", "Cartridge - Organic Vapor/P100 (Pair)", "Coverall - Hooded - Large",
			"Hard Hat - White", "Safety Glasses - Clear", "Boot Covers - PVC", "Respirator - Full Face - Medium",
			"Fit Test Kit", "Ear Plugs (Box of 200)", "Traffic Vest - Class 2", "First Aid Kit - 25 Person",
			"Eyewash - Portable",
		},
		patterns: []string{
			"Respirator - Full Face - {size} - {brand} {model}",
			"Coverall - {polymer}-Coated - {size}, {colour} - {brand} {model}",
			"Glove Liner - {size}, Pack of {pack} - {brand} {model}",
			"Cartridge - {gas}/P100 - Pack of {pack} - {brand} {model}",
			"Welder's Blanket - {feet}' - {colour} - {brand} {model}",
		},
	},
	{ // personal air sampling
		heads: []head{{nil, 10_000}},
		core: []string{
			"Air Sampling Pump - 5 L/min", "Air Flow Calibrator - Dry Piston", "Sample Cassette - 37 mm (Box of 50)",
			"Cyclone - Aluminum", "Pump Charger - Five Station", "Tubing - Flexible - 3'", "Rotameter - 0.4 to 5 L/min",
			"Sorbent Tube - Charcoal (Box of 20)", "Air Sampling Pump - Low Flow", "Sampling Tripod - 6'",
			"Tube Holder - Dual", "Calibrator Case",
		},
		patterns: []string{
			"Air Sampling Pump - {amount} L/min - {brand} {model}",
			"Sample Cassette - {micron} µm - Pack of {pack} - {brand} {model}",
			"Sorbent Tube - {gas} - Pack of {pack} - {brand} {model}",
			"Air Flow Calibrator - {millilit} mL/min - {brand} {model}",
			"Cyclone - {metal} - {micron} µm Cut - {brand} {model}",
		},
	},
	{ // confined space entry
		heads: []head{{nil, 8_600}},
		core: []string{
			"Four-Gas Monitor - Pumped", "Tripod & Winch - 60'", "Harness - Full Body - Large", `Blower - 8" - Electric`,
			"Blower Duct - 25'", "Four-Gas Charger", "Retractable Lifeline - 50'", "Probe - Confined Space - 10'",
			"Two-Way Radio - Intrinsically Safe", "Permit Sign & Barrier", "Lanyard - Shock Absorbing",
			"Flashlight - Class I, Div 1",
		},
		patterns: []string{
			"Harness - {size} - {colour} - {brand} {model}",
			"Retractable Lifeline - {feet}' - {metal} - {brand} {model}",
			"Ventilation Blower - {volt} V - {brand} {model}",
			"Two-Way Radio - {colour}, {volt} V - {brand} {model}",
			"Confined Space Monitor - {gas} + LEL - {brand} {model}",
		},
	},
	{ // dust monitoring
		heads: []head{{nil, 7_000}},
		core: []string{
			"Dust Monitor - Photometric", "Dust Monitor Enclosure", "Impactor - PM10", "Zero Filter - HEPA",
			"Telemetry Modem - Cellular", "Solar Panel - 50 W", "Tripod - Survey", "Impactor - PM2.5",
			"Dust Monitor Battery", "Weather Station - Compact", "Inlet Heater", "Lock Box & Chain",
		},
		patterns: []string{
			"Dust Monitor - {volt} V - {brand} {model}",
			"Telemetry Modem - {plug} - {volt} V - {brand} {model}",
			"Filter - HEPA {micron} µm - Pack of {pack} - {brand} {model}",
			"Weather Sensor - {celsius} °C - {metres} m Cable - {brand} {model}",
			"Enclosure - {polymer} - {colour} - {brand} {model}",
		},
	},
	{ // open-channel flow
		heads: []head{{nil, 6_100}},
		core: []string{
			"Flow Meter - Area Velocity", "Sampler - Portable - 24 Bottle", "Sampler Bottle Kit - 24 x 1 L",
			"Flow Meter - Ultrasonic Clamp-On", `Mounting Ring - 12"`, "Rain Gauge - Tipping Bucket", "Staff Gauge - 3'",
			"Wading Rod - Top Setting", "Current Meter - Electromagnetic", "Strainer - Weighted", "Flume - 60° Trapezoidal",
			"Battery - Lantern 6 V",
		},
		patterns: []string{
			`Flow Meter - {inch}" - {metal} - {brand} {model}`,
			"Sampler Bottle - {millilit} mL - {polymer} - {brand} {model}",
			"Level Sensor - Ultrasonic, {metres} m - {brand} {model}",
			"Rain Gauge - {metal} - {plug} - {brand} {model}",
			`Mounting Band - {inch}" - {metal} - {brand} {model}`,
		},
	},
	{ // noise survey
		heads: []head{{nil, 5_200}},
		core: []string{
			"Sound Level Meter - Class 1", "Acoustic Calibrator - 94/114 dB", "Noise Dosimeter", "Windscreen - 90 mm",
			"Dosimeter Charger - Four Bay", "Outdoor Microphone Kit", "Tripod - Light", "Octave Band Filter Set",
			"Microphone Cable - 10 m", "Noise Monitor Case", "Battery - AA (Pack of 24)", "Sound Level Meter - Class 2",
		},
		patterns: []string{
			"Sound Level Meter - {decibel} dB - {brand} {model}",
			"Acoustic Calibrator - {decibel} dB @ {hertz} Hz - {brand} {model}",
			"Noise Dosimeter - {colour} - {decibel} dB - {brand} {model}",
			`Microphone - {inch}" - {hertz} Hz - {brand} {model}`,
			"Microphone Cable - {metres} m - {plug} - {brand} {model}",
		},
	},
	{ // landfill gas
		heads: []head{{nil, 4_400}},
		core: []string{
			"Landfill Gas Analyzer", "Calibration Gas - Methane/Carbon Dioxide - 58 L", "Flame Ionization Detector",
			"Hydrogen - Lecture Bottle", "Filter - Water Trap, Spare", "Wellhead Quick Connect", `Pitot Tube - 18"`,
			"Manometer - Digital", "Surface Probe - Bell Cup", "Temperature Probe - 3'", "Filter - Hydrogen Sulfide Scrubber",
			"Analyzer Soft Case",
		},
		patterns: []string{
			"Landfill Gas Analyzer - {gas} {amount} % - {brand} {model}",
			`Wellhead - {inch}" Port - {metal} - {brand} {model}`,
			"Manometer - {amount} mbar - {plug} - {brand} {model}",
			"Detector Tube - {gas}, {ppm} ppm - {brand} {model}",
			"Temperature Probe - {celsius} °C - {metal} - {brand} {model}",
		},
	},
	{ // soil and metals screening
		heads: []head{{nil, 3_600}},
		core: []string{
			"XRF Analyzer - Soil Mode", "XRF Test Stand", "Sample Cup & Film (Pack of 100)", `Sieve Set - Brass - 8"`,
			`Soil Probe - Step - 36"`, "Drying Oven - Bench", "Mortar & Pestle - 500 mL", "Radiation Badge",
			"Calibration Standard - Blank SiO2", "XRF Battery & Charger", "Lead Paint Template", `Sample Bag - 6" x 9"`,
		},
		patterns: []string{
			"XRF Window Film - {micron} µm - Pack of {pack} - {brand} {model}",
			`Sieve - {inch}" Mesh - {metal} - {brand} {model}`,
			"Sample Bag - {millilit} mL - {colour} - {brand} {model}",
			"Soil Moisture Meter - {amount} %, {metal} - {brand} {model}",
			`Core Sampler - {inch}" Liner, {polymer} - {brand} {model}`,
		},
	},
	{ // indoor air
		heads: []head{{nil, 2_700}},
		core: []string{
			"Indoor Air Monitor - CO2/RH", "Thermal Camera - 320 x 240", "Moisture Meter - Pin & Pinless",
			"Manometer - Room Pressure", "Hygrometer - Data Logging", "Particle Counter - Six Channel", "Smoke Tube Kit",
			"Borescope - 1 m", "Anemometer - Hot Wire", "Air Scrubber - 500 cfm", "Formaldehyde Meter",
			"Balometer Hood - 2' x 2'",
		},
		patterns: []string{
			"Particle Counter - {micron} µm - {brand} {model}",
			"Thermal Camera - {celsius} °C - {hertz} Hz - {brand} {model}",
			"Hygrometer - ±{amount} % RH - {brand} {model}",
			"Anemometer - {amount} m/s - {plug} - {brand} {model}",
			"Air Scrubber Filter - {micron} µm, Pack of {pack} - {brand} {model}",
		},
	},
	{ // utility locating
		heads: []head{{nil, 2_083}},
		core: []string{
			"Cable Locator & Transmitter", "Ground Penetrating Radar - 400 MHz", "Marking Paint - Blue",
			"Marking Flags - Pink (Bundle of 100)",
			"Magnetic Locator", `Signal Clamp - 4"`, "Metal Detector", "GPS Receiver - Sub-Meter", "Range Pole - 8'",
			"Sonde Transmitter - 512 Hz", "Pipe Camera - 200'", `Traffic Cone - 28"`,
		},
		patterns: []string{
			"Cable Locator - {hertz} Hz - {brand} {model}",
			"Marking Flags - {colour}, Bundle of {pack} - {brand} {model}",
			`Pipe Camera - {inch}" Head - {feet}' - {brand} {model}`,
			"GPS Antenna Cable - {metres} m - {plug} - {brand} {model}",
			`Signal Clamp - {inch}" - {hertz} Hz - {brand} {model}`,
		},
	},
	{ // vibration monitoring
		heads: []head{{nil, 1_600}},
		core: []string{
			"Vibration Monitor - Triaxial", "Geophone - Triaxial", "Geophone Spike & Plate", "Telemetry Modem - Cellular",
			"Crack Gauge", "Tilt Meter - Biaxial", "Solar Panel - 50 W", "Vibration Monitor Enclosure", "Geophone Cable - 30 m",
			"Overpressure Microphone", "Sand Bag - 10 lb", "Vibration Calibrator",
		},
		patterns: []string{
			"Geophone - {hertz} Hz - {metal} - {brand} {model}",
			"Geophone Cable - {metres} m - {plug} - {brand} {model}",
			"Tilt Meter - ±{amount}° - {brand} {model}",
			"Accelerometer - {hertz} Hz - {plug} - {brand} {model}",
			"Solar Panel - {volt} V - {plug} - {brand} {model}",
		},
	},
}
